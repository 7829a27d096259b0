// Asks the gateway of the command line through each client, each in the way that client is meant to be used:
// the nested query, an error, a variable, and a document named by its hash. Prints what came back as JSON.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parse } from 'graphql';
import { GraphQLClient } from 'graphql-request';
import relay from 'relay-runtime';

const [url, token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const NESTED = await readFile(new URL('documents/nodes.graphql', import.meta.url), 'utf8');
const WITH_VARIABLE = await readFile(new URL('documents/node.graphql', import.meta.url), 'utf8');
const WRONG = 'query Wrong { nodes(limit: -1) { id name } }';
const PERSISTED = 'query Persisted { cluster { nodeCount } }';
const NAME = { name: 'control-plane-1' };

/** Counts the bodies that name a document without sending it, beside what fetch does. */
function counting(seen) {
  return (address, options) => {
    const sent = options?.body ? JSON.parse(options.body) : Object.fromEntries(new URL(address).searchParams);
    if (!sent.query && (sent.extensions || sent.documentId)) seen.named += 1;
    return fetch(address, options);
  };
}

async function apollo() {
  const seen = { named: 0 };
  const http = new HttpLink({ uri: url, headers, fetch: counting(seen) });
  const make = (link) => new ApolloClient({ link, cache: new InMemoryCache(), queryDeduplication: false });
  const client = make(http);
  const ask = (text, variables) =>
    client.query({ query: parse(text), variables, errorPolicy: 'all', fetchPolicy: 'no-cache' });
  const naming = make(ApolloLink.from([new PersistedQueryLink({ sha256 }), http]));
  const persisted = [];
  for (let time = 0; time < 2; time += 1) {
    const { data } = await naming.query({ query: parse(PERSISTED), fetchPolicy: 'no-cache' });
    persisted.push(data);
  }
  const wrong = await ask(WRONG);
  return {
    nested: (await ask(NESTED)).data,
    variable: (await ask(WITH_VARIABLE, NAME)).data,
    error: wrong.error.errors.map(({ extensions }) => extensions.code),
    persisted,
    named: seen.named,
  };
}

async function urql() {
  const seen = { named: 0 };
  const options = { url, fetchOptions: { headers }, preferGetMethod: false, fetch: counting(seen) };
  const client = new Client({ ...options, exchanges: [fetchExchange] });
  const naming = new Client({
    ...options,
    exchanges: [persistedExchange({ generateHash: async (text) => sha256(text) }), fetchExchange],
  });
  const persisted = [];
  for (let time = 0; time < 2; time += 1) persisted.push((await naming.query(PERSISTED, {})).data);
  return {
    nested: (await client.query(NESTED, {})).data,
    variable: (await client.query(WITH_VARIABLE, NAME)).data,
    error: (await client.query(WRONG, {})).error.graphQLErrors.map(({ extensions }) => extensions.code),
    persisted,
    named: seen.named,
  };
}

async function graphqlRequest() {
  const client = new GraphQLClient(url, { headers });
  const error = await client.request(WRONG).catch(({ response }) => response.errors);
  // It names nothing by itself: whoever wants that sends the names beside the document.
  const named = { persistedQuery: { version: 1, sha256Hash: sha256(PERSISTED) } };
  const body = (fields) => ({ method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(fields) });
  await fetch(url, body({ query: PERSISTED, extensions: named }));
  const again = await (await fetch(url, body({ extensions: named }))).json();
  return {
    nested: await client.request(NESTED),
    variable: await client.request(WITH_VARIABLE, NAME),
    error: error.map(({ extensions }) => extensions.code),
    persisted: [again.data, again.data],
    named: 1,
  };
}

async function graphiql() {
  const fetcher = createGraphiQLFetcher({ url, headers, fetch });
  const send = async (params) => {
    for await (const part of await fetcher(params)) return part; // one part, not a stream
  };
  const ask = (query, variables, operationName) => send({ query, variables, operationName });
  const extensions = { persistedQuery: { version: 1, sha256Hash: sha256(PERSISTED) } };
  const sent = await send({ query: PERSISTED, extensions });
  return {
    nested: (await ask(NESTED)).data,
    variable: (await ask(WITH_VARIABLE, NAME, 'OneNode')).data,
    error: (await ask(WRONG)).errors.map(({ extensions }) => extensions.code),
    persisted: [sent.data, (await send({ extensions })).data],
    named: 1,
  };
}

/** Relay with documents that its compiler has written to a file: an id goes over the wire, never a text. */
async function relayNetwork() {
  const artifact = (await import('./relay/artifacts/dashboardQuery.graphql.js')).default;
  const manifest = JSON.parse(await readFile(new URL('relay/artifacts/persisted.json', import.meta.url), 'utf8'));
  const seen = { named: 0, errors: [] };
  const network = relay.Network.create(async ({ id }, variables) => {
    const body = JSON.stringify({ documentId: id, variables });
    const options = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body };
    const answer = await (await counting(seen)(url, options)).json();
    seen.errors.push(...(answer.errors ?? []));
    return answer;
  });
  const environment = new relay.Environment({ network, store: new relay.Store(new relay.RecordSource()) });
  const ask = (variables) => relay.fetchQuery(environment, artifact, variables).toPromise();
  const shown = await ask({ limit: 2 });
  await ask({ limit: -1 }).catch(() => null); // seen by the network, below
  return {
    documents: Object.keys(manifest).length,
    shown,
    error: seen.errors.map(({ extensions }) => extensions.code),
    named: seen.named,
  };
}

const clients = { apollo, urql, 'graphql-request': graphqlRequest, graphiql, relay: relayNetwork };
const results = {};
for (const [name, ask] of Object.entries(clients)) results[name] = await ask();
console.log(JSON.stringify(results));
