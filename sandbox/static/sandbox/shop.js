// What Oscar's shop pages start by inline scripts. Each of these does nothing on a page that lacks what it looks for.
jQuery(function ($) {
    "use strict";
    oscar.init();
    oscar.search.init();
    oscar.notifications.init();
    if (document.getElementById("basket_formset")) oscar.basket.init();
    if (document.querySelector("form input[name=options]")) oscar.checkout.gateway.init();

    // Oscar's "cancel" links go back by an onclick attribute, which the Content-Security-Policy leaves dead.
    $(document).on("click", "a[onclick*='history.go']", function (event) {
        event.preventDefault();
        window.history.back();
    });
    $(document).on("click", "[data-print]", function () {
        window.print();
    });
});
