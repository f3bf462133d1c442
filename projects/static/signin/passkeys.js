"use strict";
// Passkeys: asks the gateway what to ask the browser for, and takes the browser's answer back. Buttons say which.
{
  const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const textOf = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function ask(address, content) {
    const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
    const response = await fetch(address, {
      method: "POST", credentials: "same-origin", body: JSON.stringify(content),
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    });
    const isJson = (response.headers.get("Content-Type") || "").startsWith("application/json");
    const answer = isJson ? await response.json() : {};
    if (!response.ok) throw new Error(answer.error || "The gateway did not take it: load this page again.");
    return answer;
  }

  const withBytes = (list) => (list || []).map((each) => ({ ...each, id: bytesOf(each.id) }));

  const credentialOf = (given, response) => ({ id: given.id, rawId: textOf(given.rawId), type: given.type, response });

  async function register(options) {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options, challenge: bytesOf(options.challenge), user: { ...options.user, id: bytesOf(options.user.id) },
        excludeCredentials: withBytes(options.excludeCredentials),
      },
    });
    const credential = credentialOf(made, {
      clientDataJSON: textOf(made.response.clientDataJSON),
      attestationObject: textOf(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    });
    return { ...credential, clientExtensionResults: made.getClientExtensionResults() };
  }

  async function prove(options) {
    const given = await navigator.credentials.get({
      publicKey: {
        ...options, challenge: bytesOf(options.challenge), allowCredentials: withBytes(options.allowCredentials),
      },
    });
    const handle = given.response.userHandle;
    return credentialOf(given, {
      clientDataJSON: textOf(given.response.clientDataJSON),
      authenticatorData: textOf(given.response.authenticatorData),
      signature: textOf(given.response.signature), userHandle: handle ? textOf(handle) : null,
    });
  }

  for (const button of document.querySelectorAll("button[data-passkey]")) {
    const state = document.getElementById(button.getAttribute("aria-describedby"));
    const say = (text) => { state.textContent = text; };
    if (!window.PublicKeyCredential) {
      say("This browser knows no passkeys at this address.");
      button.disabled = true;
      continue;
    }
    button.addEventListener("click", async () => {
      button.disabled = true;
      say("Your browser asks you now.");
      try {
        const begun = await ask(button.dataset.begin + location.search, {});
        if (begun.next) { location.assign(begun.next); return; }
        const credential = await (button.dataset.passkey === "register" ? register : prove)(begun);
        const { next } = await ask(button.dataset.finish + location.search, credential);
        location.assign(next);
      } catch (error) {
        // What browsers say of a person who changed their mind helps nobody.
        say(error.name === "NotAllowedError" ? "No passkey was given." : error.message);
        button.disabled = false;
      }
    });
  }
}
