/**
 * The users that a deployment knows, from the secret `JOBBERS_USERS`.
 *
 * @module
 */
import { z } from "zod";
import { readSecret, type Caller } from "../env.ts";
import { isKeptPassword, PASSWORD_FORM } from "./passwords.ts";

/** Name of the secret that holds the users, as JSON: `{"ada": {"password": "pbkdf2-sha256$…", "role": "admin"}}`. */
export const USERS_SECRET = "JOBBERS_USERS";

/** What a user may be; `viewer` may read, every other role may write too. */
export const ROLES = ["viewer", "user", "op", "admin"] as const satisfies readonly Caller["role"][];

/** Characters a user's name may have. None of them is a colon, which other subjects of tokens have. */
const NAME = /^[A-Za-z0-9_.@+-]{1,100}$/;

// The messages show no value: a secret in the wrong place would end up in a log.
const userSchema = z.strictObject(
  {
    password: z.string({ error: "expected a text" }).refine(isKeptPassword, { error: `expected ${PASSWORD_FORM}` }),
    role: z.enum(ROLES, { error: `expected one of ${ROLES.join(", ")}` }),
  },
  { error: "expected an object of password and role, and nothing else" },
);
const usersSchema = z.record(
  z.string().regex(NAME, { error: "expected names of at most 100 of the characters A-Z a-z 0-9 _ . @ + -" }),
  userSchema,
  { error: "expected an object of users by name" },
);

/** A configured user. */
export type User = z.output<typeof userSchema>;

/** Who is configured: `broken` if the secret cannot be read, which refuses every user. */
export type Users = { state: "none" } | { state: "broken" } | { state: "known"; byName: ReadonlyMap<string, User> };

let read: { text: string; users: Users } | null = null;

/** The configured users. What is wrong with the secret is logged when it is first read, without its value. */
export function configuredUsers(env: object): Users {
  const text = readSecret(env, USERS_SECRET);
  if (text === null) {
    return { state: "none" };
  }
  if (read?.text !== text) {
    read = { text, users: parseUsers(text) };
  }
  return read.users;
}

function parseUsers(text: string): Users {
  const users = usersSchema.safeParse(parseJson(text));
  if (users.success) {
    return { state: "known", byName: new Map(Object.entries(users.data)) };
  }
  const problems = users.error.issues.map(
    ({ path, message }) => `${path.map(String).join(".") || "value"}: ${message}`,
  );
  console.error({ event: "users_misconfigured", secret: USERS_SECRET, problems: problems.slice(0, 10) });
  return { state: "broken" };
}

/** Undefined, which is no object of users, if the text is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
