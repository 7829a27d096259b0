import type { Fetcher, FetcherParams } from '@graphiql/toolkit';
import type { ExecutionResult } from 'graphql';
import type { Verdict } from './session';

const ENDPOINT = '/graphql';

export const UNREACHABLE = 'The gateway cannot be reached. Is it still running?';
export const NO_TOKEN = 'Nothing was sent: enter a bearer token at the top of the page first.';

type Answer = { verdict: Verdict; result: ExecutionResult };

/**
 * Ask the gateway as the bearer of this token; `tell` hears what each answer says about the token.
 *
 * An answer to another question than the one asked (refused, unavailable) is thrown as its list of errors: GraphiQL shows
 * those as they are, and does not send its introspection a second time, as it does for a result without `data`.
 */
export function gatewayFetcher(token: string, tell: (verdict: Verdict) => void, send: typeof fetch = fetch): Fetcher {
  return async (params) => {
    const { verdict, result } = await ask(token, params, send);
    tell(verdict);
    if (verdict.kind !== 'accepted') throw result.errors;
    return result;
  };
}

/** Asks nobody: without a token there is nothing that the gateway would answer. */
export function silentFetcher(onQuestion: () => void): Fetcher {
  return () => {
    onQuestion();
    throw [{ message: NO_TOKEN }];
  };
}

async function ask(token: string, params: FetcherParams, send: typeof fetch): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await send(ENDPOINT, {
      method: 'POST',
      headers: {
        accept: 'application/graphql-response+json, application/json;q=0.9',
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(params),
    });
    text = await response.text();
  } catch {
    return unavailable(UNREACHABLE); // the browser tells scripts no more than "failed", whatever the reason
  }
  const result = graphqlResult(text);
  if (response.status === 401) return refused(result);
  if (result === null) return unavailable(`The gateway answered with status ${response.status} and no GraphQL result.`);
  if (response.status >= 500) return { verdict: { kind: 'unavailable', message: firstMessage(result) }, result };
  return { verdict: { kind: 'accepted' }, result };
}

function refused(result: ExecutionResult | null): Answer {
  const known = result?.errors?.length ? result : failure('The gateway does not accept this token.');
  return { verdict: { kind: 'refused', message: firstMessage(known) }, result: known };
}

function unavailable(message: string): Answer {
  return { verdict: { kind: 'unavailable', message }, result: failure(message) };
}

function failure(message: string): ExecutionResult {
  return { errors: [{ message }] } as unknown as ExecutionResult;
}

function firstMessage(result: ExecutionResult): string {
  return result.errors?.[0]?.message ?? 'The gateway could not answer.';
}

function graphqlResult(text: string): ExecutionResult | null {
  try {
    const value: unknown = JSON.parse(text);
    const known = typeof value === 'object' && value !== null && ('data' in value || 'errors' in value);
    return known ? (value as ExecutionResult) : null;
  } catch {
    return null;
  }
}
