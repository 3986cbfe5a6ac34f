// Starts Swagger UI, which its own script has put into the page. The policy of the page allows no inline script.
SwaggerUIBundle({ url: "../openapi.json", dom_id: "#api", deepLinking: true });
