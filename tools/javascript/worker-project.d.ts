// What `fireside worker init` writes beside the package, in a Worker's own project.
declare module "*/fireside.json" {
  const settings: { url: string; account: string; binding: string };
  export default settings;
}
