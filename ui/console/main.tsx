import { render } from 'preact';
import { Console } from './console.tsx';

const page = document.getElementById('page');
if (!page) throw new Error('index.html has no element "page"');
render(<Console />, page);
