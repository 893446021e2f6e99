/**
 * The page Cache.
 */

import { skeleton } from "./parts.js";
import { breadcrumb, title } from "./router.js";

/**
 * @param {HTMLElement} root
 */
export function mount(root) {
  title("Cache");
  breadcrumb([{ label: "Cache" }]);
  root.append(skeleton());
}
