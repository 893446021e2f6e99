/**
 * The page Jobs.
 */

import { skeleton } from "./parts.js";
import { breadcrumb, title } from "./router.js";

/**
 * @param {HTMLElement} root
 */
export function mount(root) {
  title("Jobs");
  breadcrumb([{ label: "Jobs" }]);
  root.append(skeleton());
}
