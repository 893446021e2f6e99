/**
 * The page Runs.
 */

import { skeleton } from "./parts.js";
import { breadcrumb, title } from "./router.js";

/**
 * @param {HTMLElement} root
 */
export function mount(root) {
  title("Runs");
  breadcrumb([{ label: "Runs" }]);
  root.append(skeleton());
}
