// The texts of `--help` and `--version`.

import { readFileSync } from 'node:fs';

export const HELP = `Draws a picture with your own signed-in Codex CLI, and writes it as a PNG file.

Usage: codex-image [options] PROMPT   PROMPT is one argument, or - to read stdin
       codex-image [options] --batch FILE   the pictures of a file
       codex-image --check            whether this machine can draw; what to do
       codex-image --check --quota    also what is left of your limits; online
       codex-image --recover THREAD   the picture of an earlier run, once more
       codex-image --verify FILE      whether OpenAI signed the file as it is
       codex-image mcp                a server for agents (MCP) on stdin, stdout

You need the Codex CLI (\`npm install -g @openai/codex\`), signed in with ChatGPT
(\`codex login\`). Pictures count against your ChatGPT plan.

Examples
  codex-image "a red fox, flat design" -o fox.png --aspect 16:9
  codex-image "the same fox in the snow" --ref fox.png
  codex-image "a fox" -n 4 -o fox.png             fox-1.png to fox-4.png

Picture
  -o, --output FILE     the file to write, or - for stdout; by default named
                        after the prompt
  -f, --force           replace FILE if it exists
  -a, --aspect W:H      width to height, 1:1 by default
  -r, --ref FILE        a picture to start from; up to 5 times
  -t, --transparent     ask for a transparent background
      --timeout TIME    such as 90s, 5m or 1h; a plain number is seconds; 10m by
                        default; for each picture

Several pictures
  -n, --count N         draw the prompt N times, up to 100
      --batch FILE      draw each line of FILE, which is a JSON object with the
                        keys prompt, output, aspect, references, transparent

  The same command again draws only what is missing: after a limit, Ctrl-C or a
  crash. What was paid for is in a journal beside the files.

Codex
      --codex FILE      the Codex CLI, if not the one of CODEX_BIN or PATH
      --codex-home DIR  its home, if not CODEX_HOME or ~/.codex
      --model NAME      the model, if not Codex's own choice
      --sandbox MODE    auto, read-only, workspace-write or danger-full-access

Of these, mcp takes --codex, --codex-home, --model and --timeout, and
      --root DIR        the only directory that its tools use

Output
      --json            one JSON object a line on stdout: progress, and a
                        result or error for each picture
  -q, --quiet           nothing on stderr but warnings and errors
  -v, --verbose         more about the result, or about what went wrong
      --no-preview      do not show the picture in terminals that could
  -h, --help            this text
  -V, --version         the version

When it draws, stdout has only the path of the written file, or with -o - the
picture. A prompt that begins with - needs -- before it; so does the word mcp.

Exit codes
    0  the picture is written; --check found nothing in the way; or --verify
       found a trusted signature
   64  the arguments are wrong
   65  no usable picture came of this prompt: reword it, or try again; or
       --verify found no trusted signature
   69  this machine is not ready: --check says what to do
   70  something failed: --verbose says more
   73  the output exists, or cannot be written
   75  not now: a limit, a timeout, trouble on OpenAI's side, another run
  129, 130, 143, 149  stopped by SIGHUP, SIGINT (Ctrl-C), SIGTERM, SIGBREAK
Of several pictures, the first that failed decides, unless a limit, this machine
or a signal ended the run.
`;

/** The version in package.json, which is one level above both `bin/` and `dist/`. */
export function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
