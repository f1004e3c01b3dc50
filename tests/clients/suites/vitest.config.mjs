export default {
  test: { setupFiles: ["./setup.mjs"], testTimeout: 60_000, hookTimeout: 60_000, passWithNoTests: false },
};
