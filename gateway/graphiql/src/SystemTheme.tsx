import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect } from 'react';

/** Makes the editors follow the system from day to night: GraphiQL's style does by itself, Monaco's waits to be told. */
export function SystemTheme() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();

  useEffect(() => {
    if (theme !== null) return;
    const night = window.matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setTheme(null);
    night.addEventListener('change', follow);
    return () => night.removeEventListener('change', follow);
  }, [theme, setTheme]);

  return null;
}
