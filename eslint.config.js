import js from "@eslint/js";
import globals from "globals";

/** Rules of the pages' modules; types are checked by tsc. */
export default [
  { ignores: ["node_modules/", ".venv/", "docs/", "site/", "report/", "rayexec/cli/"] },
  js.configs.recommended,
  {
    files: ["rayexec/web/static/*.js"],
    languageOptions: { globals: globals.browser, ecmaVersion: 2022, sourceType: "module" },
    rules: {
      "max-lines": ["error", 400],
      "max-len": ["error", { code: 100 }],
      "no-control-regex": "off", // terminals write them
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-console": ["error", { allow: ["error"] }],
      "no-unused-vars": [
        "error",
        {
          argsIgnorePattern: "^_",
          varsIgnorePattern: "^_",
          destructuredArrayIgnorePattern: "^_",
          caughtErrors: "none",
        },
      ],
      // Text reaches the page as text nodes only.
      "no-restricted-properties": [
        "error",
        { property: "innerHTML" },
        { property: "outerHTML" },
        { property: "insertAdjacentHTML" },
        { object: "document", property: "write" },
      ],
    },
  },
  {
    files: ["tests/web_js/*.js", "eslint.config.js"],
    languageOptions: { globals: globals.node, ecmaVersion: 2022, sourceType: "module" },
    rules: { "max-lines": ["error", 400], "max-len": ["error", { code: 100 }] },
  },
];
