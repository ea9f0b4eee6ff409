// Runs `codex-image-demo-backend` in its own process.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { WINDOWS } from '../platform.js';

export class DemoBackend {
  readonly lines: string[] = [];
  readonly ended: Promise<unknown[]>;

  private constructor(readonly child: ChildProcess) {
    this.ended = once(child, 'exit');
  }

  /** Resolves when it has printed its introduction. */
  static async start(
    script: string,
    env: NodeJS.ProcessEnv,
    node = process.execPath,
  ): Promise<DemoBackend> {
    const child = spawn(node, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const backend = new DemoBackend(child);
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        backend.lines.push(line);
        if (line.startsWith('Ctrl-C')) resolve();
      });
      lines.once('close', () => reject(new Error(`it only said: ${backend.lines.join('\n')}`)));
    });
    return backend;
  }

  /** The variables that it tells the user to set. */
  get env(): Record<string, string> {
    const assignment = WINDOWS ? /^ {2}\$env:(\w+) = '(.*)'$/ : /^ {2}export (\w+)='(.*)'$/;
    const found = this.lines.flatMap((line) => {
      const [, name, value] = assignment.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value]];
    });
    return Object.fromEntries(found);
  }

  /** Resolves when it has ended after Ctrl-C. */
  async stop(): Promise<void> {
    this.child.kill('SIGINT');
    await this.ended;
  }
}
