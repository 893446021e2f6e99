/**
 * The page Cluster.
 */

import { skeleton } from "./parts.js";
import { breadcrumb, title } from "./router.js";

/**
 * @param {HTMLElement} root
 */
export function mount(root) {
  title("Cluster");
  breadcrumb([{ label: "Cluster" }]);
  root.append(skeleton());
}
