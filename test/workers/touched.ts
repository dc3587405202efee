/** Names of objects that were woken, in order: each time one is made in memory. */
export const touched: string[] = [];
