import { useGraphiQL } from '@graphiql/react';
import { useEffect, useRef } from 'react';

/**
 * Puts the cursor into the operation that the link names: the one under the cursor is the one that GraphiQL runs.
 *
 * GraphiQL's own `operationName` would hold for every tab as long as the page lives, whatever is typed there.
 */
export function Cursor({ operationName }: { operationName: string }) {
  const { editor, operations } = useGraphiQL((state) => ({ editor: state.queryEditor, operations: state.operations }));
  const placed = useRef(false);

  useEffect(() => {
    const start = operations?.find((operation) => operation.name?.value === operationName)?.loc?.start;
    const model = editor?.getModel();
    if (placed.current || start === undefined || !editor || !model) return;
    placed.current = true;
    const position = model.getPositionAt(start);
    editor.setPosition(position);
    editor.revealPositionInCenter(position);
  }, [editor, operations, operationName]);

  return null;
}
