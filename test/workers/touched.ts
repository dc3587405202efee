/** Names of objects that were woken, in order: each time one is made in memory. */
export const touched: string[] = [];

/** The job that was last made for a task instance, by the ids of its DAG and task. */
export const adopters = new Map<string, string>();
