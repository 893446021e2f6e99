const base = document.documentElement.dataset.base ?? "/";
const answer = await fetch(`${base}api/runs`);
const { runs } = await answer.json();
document.getElementById("app").textContent = runs.map((run) => `${run.run_id} ${run.job} ${run.status}`).join("\n");
