/** How a task's own `priority_weight` becomes the one that counts: Airflow's names; see `priority.ts`. */
export const WEIGHT_RULES = ["downstream", "upstream", "absolute"] as const;
export type WeightRule = (typeof WEIGHT_RULES)[number];
