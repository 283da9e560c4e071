// The money desk's form says at once what the chosen lines cost, and ticks the choice that somebody types into.
// Without it the form works the same: the next page says the amount.
(() => {
  const how = document.getElementById("cybersource-how");
  if (!how) return;
  const factor = 10 ** Number(how.dataset.exponent);
  const quantities = [...how.querySelectorAll("input[data-price]")];
  const sum = how.querySelector("[data-sum]");

  const choose = (id) => {
    const radio = document.getElementById(id);
    if (radio) radio.checked = true;
  };

  const add = () => {
    let minor = 0;
    for (const input of quantities) {
      const quantity = Math.min(Math.max(Number(input.value) || 0, 0), Number(input.dataset.left));
      minor += Math.round((Number(input.dataset.price) * factor * quantity) / Number(input.dataset.left));
    }
    if (!sum) return;
    sum.textContent = new Intl.NumberFormat(document.documentElement.lang || undefined, {
      style: "currency",
      currency: how.dataset.currency,
    }).format(minor / factor);
    sum.hidden = false;
  };

  for (const input of quantities) {
    input.addEventListener("input", () => {
      choose("cybersource-lines");
      add();
    });
  }
  document.getElementById("id_lines_amount")?.addEventListener("input", () => choose("cybersource-lines"));
  document.getElementById("id_amount")?.addEventListener("input", () => choose("cybersource-amount"));
  if (quantities.length) add();
})();
