// Types for TypeScript, of the schema and of every document in `documents`.
export default {
  schema: "../../schema/schema.graphql",
  documents: "documents/*.graphql",
  generates: {
    "generated/graphql.ts": {
      plugins: ["typescript-operations", "typed-document-node"],
      config: { strictScalars: true, scalars: { Bytes: "number", DateTime: "string" }, useTypeImports: true },
    },
  },
};
