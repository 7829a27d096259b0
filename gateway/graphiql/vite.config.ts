import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The gateway serves dist/ below /graphiql/, and dist/index.html at GET /graphql: every reference is absolute.
  base: '/graphiql/',
  plugins: [react()],
  worker: { format: 'es' },
  // Monaco, and its GraphQL worker, are large and load after the page shows: a warning that always comes warns of nothing.
  build: {
    chunkSizeWarningLimit: 4_000,
    reportCompressedSize: false,
    rolldownOptions: { checks: { moduleLevelDirective: false } }, // GraphiQL's "use no memo": for a compiler that we do not run
  },
  server: { proxy: { '/graphql': 'http://127.0.0.1:8080' } },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
