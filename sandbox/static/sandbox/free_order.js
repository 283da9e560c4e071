// An order that costs nothing is placed without a card: the shop's API has authorized it when it answers.
import { placeOrder } from "../cybersource/js/checkout.js";

for (const form of document.querySelectorAll("form[data-free-order]")) {
    const { freeOrder, checkoutUrl, nextUrl } = form.dataset;
    const button = form.querySelector("button");
    const problem = form.querySelector("[data-problem]");
    const unknown = problem.textContent;
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        button.disabled = true;
        problem.hidden = true;
        try {
            await placeOrder({
                checkoutUrl,
                payload: document.getElementById(freeOrder).textContent,
                csrfToken: form.elements.csrfmiddlewaretoken.value,
            });
            location.assign(nextUrl);
        } catch (refused) {
            problem.textContent = refused.messages?.map(({ text }) => text).join(" ") || (refused.unsure ? problem.dataset.unsure : unknown);
            problem.hidden = false;
            button.disabled = false;
        }
    });
}
