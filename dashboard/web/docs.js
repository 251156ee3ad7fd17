/* global SwaggerUIBundle */
// The API viewer, set up from the page instead of an inline script. It asks nobody but this server. Its own layout is
// left out: it brings a second <main> and a second <h1>.

const host = document.querySelector("[data-openapi]");

function layout({ React }) {
  const part = (get, name) => React.createElement(get(name, true), { key: name });
  const Docs = ({ getComponent }) =>
    React.createElement(
      "div",
      { className: "swagger-ui" },
      React.createElement(getComponent("SvgAssets")),
      part(getComponent, "errors"),
      part(getComponent, "SchemesContainer"),
      React.createElement("h2", { className: "vh" }, "Operations"),
      part(getComponent, "operations"),
      part(getComponent, "Models"),
    );
  return { components: { Docs } };
}

SwaggerUIBundle({
  url: host.dataset.openapi,
  domNode: host,
  layout: "Docs",
  plugins: [layout],
  deepLinking: false, // it puts links inside of buttons
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
});
