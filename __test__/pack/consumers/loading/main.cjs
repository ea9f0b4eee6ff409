// Prints what loading the package gives: its functions, or the reason why it fails.
try {
  console.log(JSON.stringify({ loaded: Object.keys(require('codex-image')) }));
} catch ({ code, problem, fix }) {
  console.log(JSON.stringify({ code, problem, fix }));
}
