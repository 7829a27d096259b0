import { describe, expect, test } from 'vitest';
import { flaw, normalised } from './token';

describe('a pasted token', () => {
  test.each([
    ['ey.ab.c', 'ey.ab.c'],
    ['  ey.ab.c\n', 'ey.ab.c'],
    ['Bearer ey.ab.c', 'ey.ab.c'],
    ['bearer   ey.ab.c ', 'ey.ab.c'],
    ['Authorization: Bearer ey.ab.c', 'ey.ab.c'],
    ['Bearer-of-news', 'Bearer-of-news'],
    ['   ', ''],
  ])('%j means %j', (pasted, token) => {
    expect(normalised(pasted)).toBe(token);
  });

  test('that a header can carry is for the gateway to judge', () => {
    expect(flaw('demo-admin')).toBeNull();
  });

  test.each([
    ['abc def', 'white space'],
    ['abc…', '“…”'],
    ['abc🧭', '“🧭”'],
  ])('%j cannot be sent, and the message says why', (token, reason) => {
    expect(flaw(token)).toContain(reason);
  });
});
