// Gradio's list of choices opens again after Tab has left it, covers the page and cannot be closed.
document.addEventListener('keydown', (event) => {
  if (event.key === 'Tab' && event.target.getAttribute('role') === 'combobox')
    event.stopPropagation();
}, true);
