/** Files that the build puts into the executable: `import path from "…" with { type: "file" }`. */
declare module "*/native/build/proa-helper" {
  const path: string;
  export default path;
}
declare module "*/native/build/hello" {
  const path: string;
  export default path;
}
