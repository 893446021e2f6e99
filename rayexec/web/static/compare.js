/**
 * The page Compare.
 */

import { skeleton } from "./parts.js";
import { breadcrumb, title } from "./router.js";

/**
 * @param {HTMLElement} root
 */
export function mount(root) {
  title("Compare");
  breadcrumb([{ label: "Compare" }]);
  root.append(skeleton());
}
