import { useId, useState, type FormEvent, type Ref } from 'react';
import type { Session } from './session';
import { normalised } from './token';

type Props = { session: Session; enter: (token: string) => void; field: Ref<HTMLInputElement> };

/** The slim bar above GraphiQL: the name, the token, and what the gateway thinks of it. */
export function TokenBar({ session, enter, field }: Props) {
  const [draft, setDraft] = useState(session.kind === 'anonymous' ? '' : session.entry.token);
  const [shown, setShown] = useState(false);
  const state = useId();
  const done = session.kind === 'signedIn' && normalised(draft) === session.entry.token;

  function change(event: FormEvent<HTMLInputElement>) {
    const value = event.currentTarget.value;
    setDraft(value);
    // A pasted token is a whole one: no second step. A typed one waits for Enter.
    if ((event.nativeEvent as InputEvent).inputType === 'insertFromPaste') submit(value);
  }

  function submit(value: string) {
    const token = normalised(value);
    setDraft(token);
    enter(token);
  }

  function clear() {
    submit('');
    setShown(false);
  }

  return (
    <header className="bar">
      <h1>
        <img src={`${import.meta.env.BASE_URL}favicon.svg`} alt="" width="20" height="20" />
        Binnacle
      </h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit(draft);
        }}
      >
        <label htmlFor="token">Bearer token</label>
        <div className="field">
          <input
            id="token"
            ref={field}
            type={shown ? 'text' : 'password'}
            value={draft}
            onChange={change}
            placeholder="paste it here"
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            aria-describedby={state}
            aria-invalid={session.kind === 'refused' || session.kind === 'malformed'}
          />
          {draft && (
            <>
              <button type="button" className="quiet" onClick={() => setShown(!shown)} aria-pressed={shown} aria-label="Show token">
                {shown ? 'Hide' : 'Show'}
              </button>
              <button type="button" className="quiet" onClick={clear} aria-label="Clear token">
                Clear
              </button>
            </>
          )}
        </div>
        <button type="submit" disabled={done || !draft.trim()}>
          {session.kind === 'unavailable' ? 'Try again' : 'Sign in'}
        </button>
      </form>
      <button type="button" className="quiet help" popoverTarget="token-help">
        Get a token
      </button>
      <SessionState session={session} id={state} />
      <TokenHelp />
    </header>
  );
}

function SessionState({ session, id }: { session: Session; id: string }) {
  const [tone, text] = sessionWords(session);
  return (
    <p id={id} className="state" role="status" data-tone={tone} data-session={session.kind}>
      {text}
    </p>
  );
}

function sessionWords(session: Session): ['plain' | 'good' | 'bad', string] {
  switch (session.kind) {
    case 'anonymous':
      return ['plain', 'No token: enter one to load the schema and run queries'];
    case 'malformed':
      return ['bad', session.message];
    case 'checking':
      return ['plain', 'Checking…'];
    case 'signedIn':
      return ['good', 'Signed in'];
    case 'refused':
      return ['bad', `Refused: ${session.message}`];
    case 'unavailable':
      return ['bad', session.message];
  }
}

function TokenHelp() {
  return (
    <div id="token-help" popover="auto" role="note">
      <p>A token says who you are; the answers show what that account may see in the cluster.</p>
      <p>For a service account of your cluster:</p>
      <pre>kubectl create token ACCOUNT</pre>
      <p>
        On <code>binnacle demo</code>: <code>demo-admin</code>, <code>demo-viewer</code> or <code>demo-shop</code>.
      </p>
      <p>It stays in this browser tab and is sent to this address only.</p>
    </div>
  );
}
