/** One line of the daemon's log for each change of a task. */
export function formatMediaTaskDiagnostic(input: {
  event: 'queued' | 'done' | 'failed';
  taskId: string;
  model: string;
  providerId?: string | undefined;
  status?: number | string | undefined;
  code?: string | undefined;
  error?: string | undefined;
}): string {
  const { error, ...rest } = input;
  const told = error
    ?.replace(/sk-\S+/g, '[redacted]')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 2_000);
  return `[media] ${JSON.stringify({ ...rest, ...(told && { error: told }) })}`;
}
