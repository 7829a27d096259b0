import { GraphiQL } from 'graphiql';
import { useEffect, useMemo, useReducer, useRef } from 'react';
import { Cursor } from './Cursor';
import { gatewayFetcher, silentFetcher } from './fetcher';
import { FIRST_QUERY, fromUrl } from './link';
import { after, credential, entered } from './session';
import { SystemTheme } from './SystemTheme';
import { remember, remembered } from './token';
import { TokenBar } from './TokenBar';

/** The whole page: who asks, above, and GraphiQL, which asks as them. */
export function Explorer({ search, tab }: { search: string; tab: Storage }) {
  const link = useMemo(() => fromUrl(search), [search]);
  const [session, happen] = useReducer(after, tab, (tab) => entered(remembered(tab)));
  const field = useRef<HTMLInputElement>(null);
  const entry = credential(session);

  // A new entry is a new fetcher, and a new fetcher makes GraphiQL load the schema again.
  const fetcher = useMemo(
    () =>
      entry
        ? gatewayFetcher(entry.token, (verdict) => happen({ kind: 'answered', entry, verdict }))
        : silentFetcher(() => field.current?.focus()),
    [entry],
  );

  function enter(token: string) {
    remember(token, tab);
    happen({ kind: 'entered', token });
  }

  useEffect(() => {
    if (!entry) field.current?.focus();
  }, []); // once, for whoever arrives without a token

  return (
    <>
      <TokenBar session={session} enter={enter} field={field} />
      <main aria-label="GraphiQL">
        <GraphiQL
          fetcher={fetcher}
          schema={entry ? undefined : null} // null: do not ask for it
          inputValueDeprecation
          schemaDescription
          defaultQuery={FIRST_QUERY}
          initialQuery={link.query}
          initialVariables={link.variables}
          shouldPersistHeaders={false}
          isHeadersEditorEnabled={false} // one place for the token, and GraphiQL writes none of it down
        >
          <GraphiQL.Logo>
            <span className="graphiql-logo-link">
              Graph<em>i</em>QL
            </span>
          </GraphiQL.Logo>
          <SystemTheme />
          {link.operationName && <Cursor operationName={link.operationName} />}
        </GraphiQL>
      </main>
    </>
  );
}
