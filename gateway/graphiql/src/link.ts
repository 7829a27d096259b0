/** What a link opens. `?headers=` and any token in the URL are not read: what is in a link may come from anyone. */
export type Link = { query?: string; variables?: string; operationName?: string };

export function fromUrl(search: string): Link {
  const given = new URLSearchParams(search);
  const link: Link = {};
  for (const name of ['query', 'variables', 'operationName'] as const) {
    const value = given.get(name);
    if (value) link[name] = value;
  }
  return link;
}

/** Opened when neither a link nor an earlier visit says otherwise. */
export const FIRST_QUERY = `# Nodes, their pods, and what each pod uses now
{
  cluster {
    version
    nodeCount
    podCount
  }
  nodes {
    name
    ready
    roles
    pods {
      name
      namespace
      phase
      ready
      restarts
      metrics(names: [CPU_USAGE, MEMORY_USAGE]) {
        name
        value
        unit
      }
    }
  }
}
`;
