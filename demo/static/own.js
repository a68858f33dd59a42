
// Own image: what is chosen or pasted is sent image by image, then embedded, then shown.
let refused = [];  // sentences on images that were left out, shown beside the result

const ownForm = () => element.querySelector('[data-upload]');
const leftOut = () => refused.length ? `Left out: ${refused.join('; ')}.` : '';
const ownSays = (text) => { ownForm().querySelector('.own-status').textContent = text; };

async function sendOwn(path, parameters, body) {
  try {
    const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`, {method: 'POST', body});
    return answer.ok ? await answer.json() : {problem: await answer.text()};
  } catch {
    return {problem: 'the browser could not be reached'};
  }
}

async function uploadOwn(files) {
  const {most, largest} = ownForm().dataset;
  let own = '';
  refused = files.slice(most).map((file) => `${file.name}: at most ${most} images at a time`);
  for (const [number, file] of files.slice(0, most).entries()) {
    ownSays(`Sending image ${number + 1} of ${files.length} …`);
    if (file.size > largest) {
      refused.push(`${file.name} has more than the ${largest / 2 ** 20} MB of an image`);
      continue;
    }
    const answer = await sendOwn('own/add', {own, name: file.name}, file);
    if (answer.own) own = answer.own;
    else refused.push(answer.problem);
  }
  if (own) await embedOwn(own);
  else ownSays(leftOut());
}

async function embedOwn(own) {
  const address = new URLSearchParams(ownForm().dataset.upload);
  address.set('own', own);
  ownSays('The network starts and embeds, which takes some seconds …');
  const answer = await sendOwn('own/embed', address);
  if (answer.own) go('?' + address);
  else ownSays(`${answer.problem}. ${leftOut()}`);
}

element.addEventListener('change', (event) => {
  if (event.target.type === 'file' && event.target.files.length) uploadOwn([...event.target.files]);
});
element.addEventListener('click', (event) => {
  const own = event.target.dataset.embed;
  if (own) embedOwn(own);
});
document.addEventListener('paste', (event) => {
  const files = [...event.clipboardData.files];
  if (ownForm() && files.length) uploadOwn(files);
});
watch('value', () => {
  if (ownForm() && refused.length) ownSays(leftOut());
  refused = [];
});
