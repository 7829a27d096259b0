import 'graphiql/setup-workers/vite';
// Not graphiql/style.css: that one carries 370 kB of web fonts, and Monaco's styles a second time.
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './page.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Explorer } from './Explorer';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Explorer search={window.location.search} tab={window.sessionStorage} />
  </StrictMode>,
);
