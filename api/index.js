// What Vercel deploys as the function /api: a bundle, made by `npm run build` from api/_index.ts (docs/decisions/0009).
export { default } from "../dist/index.js";
