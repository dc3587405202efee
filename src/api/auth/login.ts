/**
 * Gives tokens to users who know their password, and to holders of the API key.
 *
 * @module
 */
import { readSecret, type ApiEnv } from "../env.ts";
import { API_KEY_SECRET, isApiKey, KEY_BEARER } from "./api-key.ts";
import { checkHeldBack, logFailure, type Attempt } from "./login-brake.ts";
import { matchesPassword } from "./passwords.ts";
import { noKey, putSecret, unauthorized } from "./refusals.ts";
import { JWT_SECRET, MIN_SECRET, signingKey } from "./signing-key.ts";
import { KEY_SUBJECT, signToken, type Subject } from "./tokens.ts";
import { configuredUsers, USERS_SECRET } from "./users.ts";

/** Who sends a proof. */
export type Sender = Omit<Attempt, "username">;

/** What a caller shows to get a token. */
export type Proof = { username: string; password: string } | { apiKey: string };

/**
 * A token for who proves to be a user or to hold the API key; `now` in epoch milliseconds.
 *
 * @throws ApiError 401 if the proof fails, or if the deployment cannot give tokens; 429 if too many have failed.
 */
export async function issueToken(
  env: ApiEnv,
  proof: Proof,
  sender: Sender,
  seconds: number,
  now: number,
): Promise<string> {
  const subject =
    "apiKey" in proof ? keySubject(env, proof.apiKey, sender) : await userSubject(env, proof, sender, now);
  const key = await signingKey(env);
  if (key === null) {
    throw unauthorized(
      `tokens cannot be signed: set the secret ${JWT_SECRET} to at least ${MIN_SECRET} characters (${putSecret(JWT_SECRET)})`,
    );
  }
  return signToken(key, subject, seconds, now);
}

function keySubject(env: ApiEnv, apiKey: string, sender: Sender): Subject {
  const key = readSecret(env, API_KEY_SECRET);
  if (key === null) {
    throw noKey();
  }
  if (!isApiKey(env, apiKey)) {
    logFailure({ username: null, ...sender });
    throw unauthorized("Invalid credentials: the API key is wrong", "invalid_token");
  }
  return { sub: KEY_SUBJECT, role: KEY_BEARER.role, credential: key };
}

async function userSubject(
  env: ApiEnv,
  { username, password }: { username: string; password: string },
  sender: Sender,
  now: number,
): Promise<Subject> {
  const users = configuredUsers(env);
  if (users.state === "none") {
    throw unauthorized(
      `no users are configured: set the secret ${USERS_SECRET}, or send the API key as {"api_key": "…"}`,
    );
  }
  if (users.state === "broken") {
    throw unauthorized(
      `the secret ${USERS_SECRET} cannot be read, so nobody can log in; the log says what is wrong with it`,
    );
  }
  const user = users.byName.get(username);
  // Also for nobody: the time it takes must not tell which users there are.
  const check = (): Promise<boolean> => matchesPassword(password, user?.password ?? null);
  const matches = await checkHeldBack(env, { username, ...sender }, now, check);
  if (user === undefined || !matches) {
    throw unauthorized("Invalid credentials: the name or the password is wrong", "invalid_token");
  }
  return { sub: username, role: user.role, credential: user.password };
}
