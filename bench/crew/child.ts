/** A process of the crew: runs the tasks that it is sent, and answers with their results. */
import { type Task, tasks } from './tasks.ts';

interface Order {
  readonly id: number;
  readonly task: Task;
  readonly args: readonly unknown[];
}

process.on('message', ({ id, task, args }: Order) => {
  const act = tasks[task] as (...args: readonly unknown[]) => Promise<unknown>; // checked where it was sent
  const failed = (error: unknown): void => void process.send?.({ id, error: String(error) });
  Promise.resolve()
    .then(() => act(...args))
    .then((value) => process.send?.({ id, value }), failed);
});
process.on('disconnect', () => process.exit());
process.on('unhandledRejection', (error) => process.stderr.write(`unhandled in the crew: ${String(error)}\n`));
process.send?.({ id: 0 });
