/** zstd-napi looks for its addon at run time; the bundler embeds only what it finds itself. */
export const staticAddon: Bun.BunPlugin = {
  name: "static zstd-napi",
  setup(build) {
    build.onLoad({ filter: /zstd-napi\/binding\.js$/ }, () => ({
      contents: "module.exports = require('./build/Release/binding.node')",
      loader: "js",
    }));
  },
};
