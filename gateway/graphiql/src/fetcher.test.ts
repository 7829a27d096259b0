import { describe, expect, test } from 'vitest';
import { gatewayFetcher, NO_TOKEN, silentFetcher, UNREACHABLE } from './fetcher';
import type { Verdict } from './session';

const question = { query: '{ nodes { name } }' };

function answering(status: number, body: string) {
  const sent: { url: string; init: RequestInit }[] = [];
  const send = (async (url: string, init: RequestInit) => {
    sent.push({ url, init });
    return new Response(body, { status });
  }) as typeof fetch;
  return { sent, send };
}

async function asked(send: typeof fetch) {
  const verdicts: Verdict[] = [];
  const outcome = await Promise.resolve(gatewayFetcher('demo-admin', (verdict) => verdicts.push(verdict), send)(question)).then(
    (result) => ({ result }),
    (thrown: unknown) => ({ thrown }),
  );
  return { verdicts, ...outcome };
}

describe('a question to the gateway', () => {
  test('goes to this origin, as a POST, with the token in its header only', async () => {
    const { sent, send } = answering(200, '{"data":{}}');

    await asked(send);

    expect(sent).toHaveLength(1);
    expect(sent[0]!.url).toBe('/graphql');
    expect(sent[0]!.init.method).toBe('POST');
    expect(sent[0]!.init.headers).toMatchObject({ authorization: 'Bearer demo-admin' });
    expect(sent[0]!.init.body).not.toContain('demo-admin');
  });

  test.each([
    [200, '{"data":{"nodes":[]}}'],
    [400, '{"errors":[{"message":"Cannot query field"}]}'],
  ])('answered with %i means that the token was accepted', async (status, body) => {
    const { verdicts, ...outcome } = await asked(answering(status, body).send);

    expect(verdicts).toEqual([{ kind: 'accepted' }]);
    expect(outcome).toEqual({ result: JSON.parse(body) });
  });

  test('refused is told in the words of the gateway, and thrown with its code', async () => {
    const errors = [{ message: 'the token has expired', extensions: { code: 'UNAUTHENTICATED' } }];

    expect(await asked(answering(401, JSON.stringify({ errors })).send)).toEqual({
      verdicts: [{ kind: 'refused', message: 'the token has expired' }],
      thrown: errors,
    });
  });

  test('refused by something in front of the gateway is refused all the same', async () => {
    const { verdicts } = await asked(answering(401, '<html>Log in</html>').send);

    expect(verdicts).toEqual([{ kind: 'refused', message: 'The gateway does not accept this token.' }]);
  });

  test('that cannot be judged now leaves the token neither accepted nor refused', async () => {
    const body = '{"errors":[{"message":"the API server cannot be asked"}]}';

    const { verdicts } = await asked(answering(503, body).send);

    expect(verdicts).toEqual([{ kind: 'unavailable', message: 'the API server cannot be asked' }]);
  });

  test.each([
    [200, '<html>Log in</html>'],
    [502, 'Bad Gateway'],
    [200, '{"hello":"world"}'],
  ])('answered with %i and no GraphQL result says so', async (status, body) => {
    const { verdicts } = await asked(answering(status, body).send);

    expect(verdicts).toEqual([
      { kind: 'unavailable', message: `The gateway answered with status ${status} and no GraphQL result.` },
    ]);
  });

  test('that reaches nobody says that the gateway cannot be reached', async () => {
    const send = (async () => {
      throw new TypeError('Failed to fetch');
    }) as typeof fetch;

    expect(await asked(send)).toEqual({
      verdicts: [{ kind: 'unavailable', message: UNREACHABLE }],
      thrown: [{ message: UNREACHABLE }],
    });
  });
});

test('without a token nothing is sent, and the reader is told what to do', () => {
  let questions = 0;
  const fetcher = silentFetcher(() => {
    questions += 1;
  });

  expect(() => fetcher(question)).toThrow(expect.objectContaining([{ message: NO_TOKEN }]));
  expect(questions).toBe(1);
});
