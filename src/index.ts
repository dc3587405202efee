/**
 * The Worker's entry: handlers and object classes for the DAGs in `dags/`. Nothing else.
 *
 * @module
 */
import { registry } from "../dags/index.ts";
import { createJobbers } from "./jobbers.ts";

const jobbers = createJobbers(registry);

export default jobbers.handler;
export class Dag extends jobbers.Dag {}
export class Job extends jobbers.Job {}
export class Intake extends jobbers.Intake {}
export class Catalog extends jobbers.Catalog {}
export class Pool extends jobbers.Pool {}
export class RateLimiter extends jobbers.RateLimiter {}
export class LoginGuard extends jobbers.LoginGuard {}
export class LocalQueue extends jobbers.LocalQueue {}
