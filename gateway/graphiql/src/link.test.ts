import { parse, print } from 'graphql';
import { describe, expect, test } from 'vitest';
import { FIRST_QUERY, fromUrl } from './link';

describe('a link', () => {
  test('opens its query, variables and operation name', () => {
    const search = `?query=${encodeURIComponent('query A { nodes { name } }')}&variables=%7B%22a%22%3A1%7D&operationName=A`;

    expect(fromUrl(search)).toEqual({ query: 'query A { nodes { name } }', variables: '{"a":1}', operationName: 'A' });
  });

  test('that is bare or has empty values opens nothing', () => {
    expect(fromUrl('')).toEqual({});
    expect(fromUrl('?query=&variables=')).toEqual({});
  });

  test('brings no headers and no token', () => {
    expect(fromUrl('?headers=%7B%22Authorization%22%3A%22Bearer+x%22%7D&token=x')).toEqual({});
  });
});

test('the first query is GraphQL, formatted as GraphiQL would', () => {
  const withoutComment = FIRST_QUERY.replace(/^#.*\n/, '');

  expect(print(parse(FIRST_QUERY))).toBe(withoutComment.trim());
});
