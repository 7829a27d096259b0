import { flaw } from './token';

/** What the gateway's answer said about the token that was sent with the question. */
export type Verdict =
  | { kind: 'accepted' }
  | { kind: 'refused'; message: string }
  | { kind: 'unavailable'; message: string };

/** One entering of a token: entering the same one again is a new attempt, and asks again. */
export type Entry = { token: string; attempt: number };

/** Who is asking, as far as this page knows. */
export type Session =
  | { kind: 'anonymous' }
  | { kind: 'malformed'; entry: Entry; message: string }
  | { kind: 'checking'; entry: Entry }
  | { kind: 'signedIn'; entry: Entry }
  | { kind: 'refused'; entry: Entry; message: string }
  | { kind: 'unavailable'; entry: Entry; message: string };

export type Happening = { kind: 'entered'; token: string } | { kind: 'answered'; entry: Entry; verdict: Verdict };

/** The page's whole policy on tokens: no clock, no storage, no request. */
export function after(session: Session, happening: Happening): Session {
  switch (happening.kind) {
    case 'entered':
      return entered(happening.token, session.kind === 'anonymous' ? 1 : session.entry.attempt + 1);
    case 'answered':
      return answered(session, happening.entry, happening.verdict);
  }
}

export function entered(token: string, attempt = 1): Session {
  if (!token) return { kind: 'anonymous' };
  const entry = { token, attempt };
  const message = flaw(token);
  return message === null ? { kind: 'checking', entry } : { kind: 'malformed', entry, message };
}

/** The token that may be sent, or null: then nothing is asked at all. */
export function credential(session: Session): Entry | null {
  return session.kind === 'anonymous' || session.kind === 'malformed' ? null : session.entry;
}

function answered(session: Session, entry: Entry, verdict: Verdict): Session {
  // An answer that arrives after another token was entered says nothing about that one.
  if (credential(session) !== entry) return session;
  switch (verdict.kind) {
    case 'accepted':
      return session.kind === 'signedIn' ? session : { kind: 'signedIn', entry };
    case 'refused':
    case 'unavailable':
      return { ...verdict, entry };
  }
}
