// A file that the server has written out becomes a download, without a file on the server.
export function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file.text]));
  link.download = file.name.replace(/[\\/:*?"<>|]/g, "_");
  link.click();
  URL.revokeObjectURL(link.href);
}
