/** The token as people paste it, and where it stays: in this tab, never in localStorage and never in the URL. */

const KEY = 'binnacle:token';

/** What was meant by what was pasted: without white space around it, `Bearer ` or a whole `Authorization:` line. */
export function normalised(pasted: string): string {
  return pasted.trim().replace(/^(authorization\s*:\s*)?(bearer\s+)?/i, '').trim();
}

/** Why this cannot be sent as a header at all, or null. Everything else is for the gateway to judge. */
export function flaw(token: string): string | null {
  const odd = /[^\x21-\x7e]/u.exec(token)?.[0];
  if (odd === undefined) return null;
  return `A token has no ${/\s/.test(odd) ? 'white space' : `“${odd}”`} in it; was more than the token pasted?`;
}

export function remembered(tab: Storage): string {
  return normalised(tab.getItem(KEY) ?? '');
}

export function remember(token: string, tab: Storage): void {
  if (token) tab.setItem(KEY, token);
  else tab.removeItem(KEY);
}
