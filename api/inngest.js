// What Vercel deploys as the function /api/inngest: a bundle, made by `npm run build` from api/_inngest.ts.
export { default } from "../dist/inngest.js";
