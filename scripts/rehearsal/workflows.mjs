// Reads the workflows as GitHub does: matrices expanded, expressions evaluated.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { data, Evaluator, Lexer, Parser } from '@actions/expressions';
import { truthy } from '@actions/expressions/result';
import { parse } from 'yaml';

import { root } from '../bootstrap.mjs';

/** @typedef {Record<string, unknown>} Values */

/**
 * A step as the workflow writes it.
 *
 * @typedef {object} Step
 * @property {string} [name]
 * @property {string} [if]
 * @property {string} [uses]
 * @property {Record<string, string>} [with]
 * @property {string} [run]
 * @property {string} [shell]
 * @property {Record<string, string>} [env]
 */

/**
 * One job, for one row of its matrix.
 *
 * @typedef {object} Job
 * @property {string} id the workflow's and the job's, as in `ci/check`
 * @property {string} name
 * @property {string} runner
 * @property {string} [container]
 * @property {boolean} publishes
 * @property {string[]} needs the ids of other jobs
 * @property {Values} matrix
 * @property {Record<string, string>} env
 * @property {string} [shell]
 * @property {Step[]} steps
 */

const DIRECTORY = path.join(root, '.github', 'workflows');

/** The known keys. A rehearsal that ignored another one would run something else. */
const KEYS = {
  workflow: words('name on permissions concurrency env jobs'),
  job: words(
    'name needs runs-on container timeout-minutes environment permissions strategy env defaults steps',
  ),
  step: words('name if uses with run shell env'),
};

/** @param {string} text */
function words(text) {
  return text.split(' ');
}

/** All jobs, those that others need first. @returns {Job[]} */
export function workflowJobs() {
  return readdirSync(DIRECTORY).flatMap((file) => {
    const workflow = parse(readFileSync(path.join(DIRECTORY, file), 'utf8'));
    requireKnown('workflow', workflow, file);
    const id = (/** @type {string} */ job) => `${path.basename(file, '.yml')}/${job}`;
    return Object.entries(workflow.jobs).flatMap(([key, job]) => {
      requireKnown('job', job, id(key));
      for (const step of job.steps) requireKnown('step', step, id(key));
      return rows(job.strategy?.matrix).map((matrix) => {
        const fill = (/** @type {string} */ text) => filled(text, { matrix });
        return {
          id: id(key),
          name: fill(job.name),
          runner: fill(job['runs-on']),
          container: job.container,
          publishes: Object.values(job.permissions ?? {}).includes('write'),
          needs: [job.needs ?? []].flat().map(id),
          matrix,
          env: { ...workflow.env, ...job.env },
          shell: job.defaults?.run?.shell,
          steps: job.steps,
        };
      });
    });
  });
}

/**
 * Fails for a key that would be ignored.
 *
 * @param {keyof KEYS} kind
 * @param {object} values
 * @param {string} where
 */
function requireKnown(kind, values, where) {
  const unknown = Object.keys(values).find((key) => !KEYS[kind].includes(key));
  if (unknown !== undefined)
    throw new Error(`${where} has an unknown key of a ${kind}: ${unknown}`);
}

/**
 * The rows of a matrix: every combination of its lists, and what `include` adds.
 *
 * @param {Record<string, unknown[]>} [matrix]
 * @returns {Values[]}
 */
function rows({ include = [], ...lists } = {}) {
  const combined = Object.entries(lists).reduce(
    (/** @type {Values[]} */ found, [key, values]) =>
      found.flatMap((row) => values.map((value) => ({ ...row, [key]: value }))),
    [{}],
  );
  const added = /** @type {Values[]} */ (include);
  if (added.length === 0) return combined;
  if (Object.keys(lists).length > 0) throw new Error('a matrix with lists and `include`');
  return added;
}

/**
 * The text with its expressions replaced by their values.
 *
 * @param {string} text
 * @param {Record<string, unknown>} contexts
 */
export function filled(text, contexts) {
  return String(text).replaceAll(/\$\{\{(.*?)\}\}/g, (_, expression) =>
    evaluate(expression, contexts).coerceString(),
  );
}

/**
 * Whether a step runs, if all before it have passed.
 *
 * @param {string} condition
 * @param {Record<string, unknown>} contexts
 */
export function holds(condition, contexts) {
  const expression = /^\$\{\{(.*)\}\}$/.exec(condition.trim())?.[1] ?? condition;
  if (expression.trim() === 'failure()') return false;
  return truthy(evaluate(expression, contexts));
}

/**
 * @param {string} expression
 * @param {Record<string, unknown>} contexts
 */
function evaluate(expression, contexts) {
  const { tokens } = new Lexer(expression).lex();
  const tree = new Parser(tokens, Object.keys(contexts), []).parse();
  const dictionary = JSON.parse(JSON.stringify(contexts), data.reviver);
  return new Evaluator(tree, dictionary).evaluate();
}
