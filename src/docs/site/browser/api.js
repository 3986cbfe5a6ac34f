// Starts Swagger UI, which its own script has put into the page. The policy of the page allows no inline script.
// Without `validatorUrl: null` it would send the document to a validator elsewhere.
SwaggerUIBundle({ url: "../openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null });

// Swagger UI has dark colors, but does not follow the system's choice.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
