import { describe, expect, test } from 'vitest';
import { after, credential, entered, type Happening, type Session, type Verdict } from './session';

const entry = { token: 'demo-admin', attempt: 1 };
const checking: Session = { kind: 'checking', entry };
const signedIn: Session = { kind: 'signedIn', entry };
const refused: Verdict = { kind: 'refused', message: 'the token has expired' };
const unavailable: Verdict = { kind: 'unavailable', message: 'The gateway cannot be reached.' };

function answered(verdict: Verdict): Happening {
  return { kind: 'answered', entry, verdict };
}

describe('a session', () => {
  test('without a token has nothing to send', () => {
    expect(credential(entered(''))).toBeNull();
  });

  test('with a token that no header can carry sends nothing and says why', () => {
    const session = entered('demo admin');

    expect(session).toMatchObject({ kind: 'malformed', message: expect.stringContaining('white space') });
    expect(credential(session)).toBeNull();
  });

  test.each<[Session, Happening, Session]>([
    [{ kind: 'anonymous' }, { kind: 'entered', token: 'demo-admin' }, checking],
    [checking, answered({ kind: 'accepted' }), signedIn],
    [checking, answered(refused), { ...refused, entry } as Session],
    [signedIn, answered(refused), { ...refused, entry } as Session],
    [signedIn, answered(unavailable), { ...unavailable, entry } as Session],
    [{ ...unavailable, entry } as Session, answered({ kind: 'accepted' }), signedIn],
    [signedIn, { kind: 'entered', token: '' }, { kind: 'anonymous' }],
  ])('%j, after %j, is %j', (before, happening, then) => {
    expect(after(before, happening)).toEqual(then);
  });

  test('asks again when the same token is entered again', () => {
    expect(after(signedIn, { kind: 'entered', token: 'demo-admin' })).toEqual({
      kind: 'checking',
      entry: { token: 'demo-admin', attempt: 2 },
    });
  });

  test('does not change when an answer to an earlier token arrives late', () => {
    const other = after(checking, { kind: 'entered', token: 'demo-shop' });

    expect(after(other, answered(refused))).toBe(other);
    expect(after({ kind: 'anonymous' }, answered({ kind: 'accepted' }))).toEqual({ kind: 'anonymous' });
  });

  test('that is signed in stays the very same value with every accepted answer', () => {
    expect(after(signedIn, answered({ kind: 'accepted' }))).toBe(signedIn);
  });
});
