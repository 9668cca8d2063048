// Stand-in for LINE's LIFF SDK: knows the user from the fragment that the stand-in's /liff/{liffId} redirect carries.
(function () {
  "use strict";
  const origin = new URL(document.currentScript.src).origin;
  const keep = (id) => `sim-liff-${id}`;
  let config = null;
  let login = null;
  let settle;
  const ready = new Promise((done) => { settle = done; });

  function decode(token) {
    const middle = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(middle), (c) => c.charCodeAt(0))));
  }

  function fromFragment(liffId) {
    const given = new URLSearchParams(location.hash.slice(1));
    if (given.get("id_token")) {
      const found = { idToken: given.get("id_token"), accessToken: given.get("access_token") };
      sessionStorage.setItem(keep(liffId), JSON.stringify(found));
      history.replaceState(history.state, "", location.pathname + location.search);
      return found;
    }
    const kept = JSON.parse(sessionStorage.getItem(keep(liffId)) || "null");
    return kept && decode(kept.idToken).exp * 1000 > Date.now() ? kept : null;
  }

  function needInit() {
    if (!config) throw Object.assign(new Error("liff.init() was not called or has not finished"), { code: "INIT_FAILED" });
  }

  window.liff = {
    ready,
    get id() { return config ? config.liffId : null; },
    async init(options, success, failure) {
      try {
        if (!options || !options.liffId) {
          throw Object.assign(new Error("liffId is necessary for liff.init()"), { code: "INVALID_CONFIG" });
        }
        login = fromFragment(options.liffId);
        config = options;
        settle();
        if (options.withLoginOnExternalBrowser && !login) this.login();
        if (success) success();
      } catch (error) {
        if (failure) failure(error);
        throw error;
      }
    },
    isLoggedIn() { needInit(); return login !== null; },
    isInClient() { return navigator.userAgent.includes(" Line/") || window.self !== window.top; },
    getOS() { return /iPhone|iPad/.test(navigator.userAgent) ? "ios" : /Android/.test(navigator.userAgent) ? "android" : "web"; },
    getLanguage() { return navigator.language; },
    getVersion() { return "2.27.0"; },
    getLineVersion() { return this.isInClient() ? "15.0.0" : null; },
    login(options) {
      needInit();
      const back = new URL((options && options.redirectUri) || location.href);
      location.assign(`${origin}/liff/${config.liffId}${back.search}`);
    },
    logout() { needInit(); sessionStorage.removeItem(keep(config.liffId)); login = null; },
    getIDToken() { needInit(); return login ? login.idToken : null; },
    getDecodedIDToken() { needInit(); return login ? decode(login.idToken) : null; },
    getAccessToken() { needInit(); return login ? login.accessToken : null; },
    getContext() { needInit(); return { type: "utou", liffId: config.liffId, userId: login ? decode(login.idToken).sub : undefined }; },
    async getProfile() {
      const token = this.getDecodedIDToken();
      if (!token) throw Object.assign(new Error("Need to log in"), { code: "UNAUTHORIZED" });
      return { userId: token.sub, displayName: token.name, ...(token.picture ? { pictureUrl: token.picture } : {}) };
    },
    async getFriendship() {
      needInit();
      const answer = await fetch(`${origin}/friendship/v1/status`, { headers: { authorization: `Bearer ${login && login.accessToken}` } });
      return answer.json();
    },
    openWindow(params) { window.open(params.url, params.external ? "_blank" : "_self"); },
    closeWindow() {
      if (window.self !== window.top) window.parent.postMessage({ sim: "close" }, "*");
      else window.close();
    },
  };
})();
