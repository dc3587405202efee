/**
 * How the page at `/docs` looks.
 *
 * @module
 */

/** The style sheet. Its hash is in the page's policy, so it must reach the page unchanged. */
export const STYLE = `
:root { color-scheme: light dark; --text: #1c2430; --soft: #5b6675; --line: #dde2e9; --paper: #fff; --field: #f5f7fa;
  --link: #0b5cad; --get: #0b6e4f; --post: #0b5cad; --put: #8a5a00; --patch: #6a3fb5; --delete: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e8ef; --soft: #98a4b3; --line: #2d3744; --paper: #12171e;
  --field: #1a212b; --link: #7db8f5; --get: #57c79a; --post: #7db8f5; --put: #e0b050; --patch: #b99cf0; --delete: #f28b82; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
code, .path, .type { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .875em; }
.layout { display: grid; grid-template-columns: 15rem minmax(0, 1fr); max-width: 82rem; margin: 0 auto; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem; border-right: 1px solid var(--line); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { padding: .15rem 0; }
nav span { color: var(--soft); float: right; }
main { padding: 1.5rem 2rem 6rem; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h1 small, .soft { color: var(--soft); font-weight: normal; }
h2 { margin: 2.5rem 0 .25rem; font-size: 1.25rem; }
h3 { margin: 1.25rem 0 .25rem; font-size: .9375rem; }
p { margin: .5rem 0; }
details.op { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
details.op > summary { display: flex; gap: .75rem; align-items: baseline; flex-wrap: wrap; padding: .5rem .75rem; cursor: pointer; }
details.op[open] > summary { border-bottom: 1px solid var(--line); background: var(--field); }
details.op > div { padding: .25rem 1rem 1rem; }
summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.method { flex: 0 0 3.75rem; font-weight: 700; font-size: .75rem; letter-spacing: .04em; text-transform: uppercase; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); }
.patch { color: var(--patch); } .delete { color: var(--delete); }
.path { overflow-wrap: anywhere; }
.summary { margin-left: auto; color: var(--soft); font-size: .9375rem; text-align: right; }
table { border-collapse: collapse; width: 100%; margin: .25rem 0 .75rem; font-size: .9375rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: .8125rem; }
td:first-child { white-space: nowrap; }
.required { color: var(--delete); }
.schema { border-top: 1px solid var(--line); padding: .25rem 0 1rem; }
.schema:target, details.op > div:target { background: var(--field); }
@media (max-width: 50rem) {
  .layout { display: block; }
  nav { position: static; height: auto; border: 0; border-bottom: 1px solid var(--line); }
  main { padding: 1rem; }
  table { display: block; overflow-x: auto; }
  .summary { margin-left: 0; text-align: left; flex-basis: 100%; }
}
`;
